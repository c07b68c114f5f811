"""A team of agents on twenty word problems, and who earned what: runs here, with no API key and no network."""
