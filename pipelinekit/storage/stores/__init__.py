"""The files of datastores: folders of this machine, web servers, and what fsspec reaches."""
