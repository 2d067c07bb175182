"""Values every part shares. Importing this package sets the process's decimal context."""

from monetization.kernel.decimals import configure

configure()
