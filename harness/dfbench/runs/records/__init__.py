"""What a stored run says of itself: its record, its manifest, its sessions, and whether they agree."""
