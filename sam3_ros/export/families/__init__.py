"""The families of models that can be exported, each behind the Family protocol."""
