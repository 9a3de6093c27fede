"""Files with which something else starts the bot, keeps it running, and starts it again: systemd units, containers."""
