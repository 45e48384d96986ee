"""
How the servers of this project speak HTTP, the gateway and the emulator. There is nothing of Bedrock in it.
"""
