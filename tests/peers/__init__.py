"""ringrun under the engines that call runtimes: the same scenario with runc, as the control, gives the same."""
