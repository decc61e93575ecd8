"""The one place that knows dfbench's version."""

VERSION = "0.1.0"
