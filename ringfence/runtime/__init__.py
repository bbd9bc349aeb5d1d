"""From a bundle to a process: the plan, its execution, and one module per operation of the OCI runtime spec."""
