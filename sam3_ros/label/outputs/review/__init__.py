"""The review sheet: what a person looks at to see whether labels are good."""
