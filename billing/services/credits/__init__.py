"""Credits: granted, planned on drafts, burned at issue, given back, expired."""
