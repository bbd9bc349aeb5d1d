"""The command line `ringfence`: one file per verb, the same word as in the layers below it."""
