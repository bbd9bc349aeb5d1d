"""Measurements of Ringfence beside its peers: `python -m bench`, see docs/benchmarks.md."""
