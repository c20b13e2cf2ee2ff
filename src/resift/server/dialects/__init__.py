"""The routes, one module a family of dialects: a body becomes `Work`, an `Outcome` becomes a body."""
