"""From files on disk to face clips: manifest, decoding, faces, face store, preparation, clips."""
