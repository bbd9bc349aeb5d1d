"""Names of containers: one small DNS server for an engine, which tells each container its neighbours' addresses."""
