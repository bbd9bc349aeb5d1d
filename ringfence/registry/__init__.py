"""Registries: the client of the OCI distribution specification (1.1) and of Docker's registries that came before it.

`Registries` (registries.py) is what the layers above use: it knows a user's settings (proxies, mirrors, certificates,
credentials) and opens a `Repository` (repository.py), which fetches, pushes and lists. Below it one file per subject:
transport.py speaks HTTP, session.py authorizes and repeats, challenge.py and tokens.py answer 401, credentials.py reads
and writes what `login` keeps, configuration.py and certificates.py read what administrators write.

On http.client, not urllib3: importing urllib3 costs 95 ms to http.client's 65 (which it imports too), and what it adds,
redirects and retries, has to be done here in any case: credentials must not follow a redirect to another host, a
download goes on where it stopped, and every wait is told.
"""
