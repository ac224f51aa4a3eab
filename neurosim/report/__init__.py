"""What people read: tables for the terminal, a page for the browser."""
