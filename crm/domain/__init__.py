"""What CRM records look like in files. Pure."""
