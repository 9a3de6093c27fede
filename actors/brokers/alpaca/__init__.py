"""Alpaca as a broker behind the gate: orders and questions by REST, what becomes of them by its trading stream too."""
