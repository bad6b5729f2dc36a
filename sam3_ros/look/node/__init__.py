"""The page's source beside a running node: a client of its topics and services, and no more."""
