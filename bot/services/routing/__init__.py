"""What routing knows of past questions, and how it looks up what is like a new one."""
