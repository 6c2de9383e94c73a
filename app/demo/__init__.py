"""``python -m app.demo``: see a real table become readable in another format, through the service."""
