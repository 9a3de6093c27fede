"""Alpaca as a broker behind the gate: orders and questions by REST, what becomes of them by its trading stream too."""

from actors.brokers.alpaca.broker import AlpacaBroker as AlpacaBroker
from actors.brokers.alpaca.settings import AlpacaAddress as AlpacaAddress, BrokerSettings as BrokerSettings
