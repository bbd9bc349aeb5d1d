"""Snapshotters: where layers are unpacked; they return mounts and never mount."""
