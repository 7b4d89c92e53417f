"""How learning computes: the plan for a machine, its forecast and its trial, and what a plan can use."""
