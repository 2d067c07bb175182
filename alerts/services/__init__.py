"""Rules, the figures they look at, and the alerts they trigger."""
