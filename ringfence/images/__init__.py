"""Images on disk: names, unpack, load, save, import, commit, remove."""
