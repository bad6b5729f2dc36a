"""Which backend and precision runs each stage fastest on this machine, and near enough to fp32."""
