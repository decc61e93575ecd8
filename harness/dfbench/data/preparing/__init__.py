"""The stage that fills the face store, and the processes that it works in."""
