"""What the exchange answers over HTTP and WebSocket, in Alpaca's forms."""
