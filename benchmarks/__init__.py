"""What OmniMemory costs, measured beside named baselines."""
