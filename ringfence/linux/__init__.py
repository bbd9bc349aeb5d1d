"""Kernel facilities, one module each, named as their man page: typed, no policy, standard library only."""
