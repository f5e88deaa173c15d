"""Uploads a file by tuspy: begins it and is cut after some chunks, goes on elsewhere, or does all of it.

tus.py ENDPOINT CLIENT:TOKEN begin FILE CHUNKS | resume FILE URL | whole FILE
Prints where the transfer is, or in the end the reference of the file.
"""

import sys

import requests
from tusclient.client import TusClient

CHUNK = 400_000


def main():
    endpoint, token, act, path = sys.argv[1:5]
    headers = {"Authorization": f"Bearer {token}"}
    client = TusClient(endpoint, headers=headers)
    if act == "begin":
        uploader = client.uploader(path, chunk_size=CHUNK, metadata={"filename": "picture.png"})
        for _ in range(int(sys.argv[5])):
            uploader.upload_chunk()
        assert uploader.offset == CHUNK * int(sys.argv[5]), uploader.offset
        print(uploader.url)
        return
    if act == "resume":
        uploader = client.uploader(path, chunk_size=CHUNK, url=sys.argv[5])
        # What the server has is not sent again.
        assert uploader.offset == 2 * CHUNK, uploader.offset
    else:
        uploader = client.uploader(path, chunk_size=CHUNK)
    uploader.upload()
    said = requests.head(uploader.url, headers={**headers, "Tus-Resumable": "1.0.0"}, timeout=60)
    assert said.headers["Upload-Offset"] == said.headers["Upload-Length"], said.headers
    print(said.headers["Upload-Reference"])


main()
