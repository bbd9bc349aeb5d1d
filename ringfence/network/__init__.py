"""Networks of containers: links, addresses, ports and bandwidth."""
