"""The plugin host: hook specifications, discovery, registry, conformance checks, scaffolding."""
