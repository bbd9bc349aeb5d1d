"""Blobs by digest: ingest, verified read, garbage."""
