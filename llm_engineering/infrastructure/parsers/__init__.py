"""From bytes to text: decoding, and HTML to Markdown in a process of its own."""
