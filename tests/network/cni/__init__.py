"""Tests of ringfence/network/cni: networks by plugins."""
