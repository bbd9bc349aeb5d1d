"""Layers: tar to tree (apply), tree to tar (diff), whiteouts and compression."""
