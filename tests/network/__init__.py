"""Tests of networks: against real clients in namespaces that stand for containers and other hosts."""
