"""A simulated mentoring platform: facts that rules may see, and a truth that they may not."""
