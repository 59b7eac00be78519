-- name: put_document
insert into documents (digest, body) values (?, ?) on conflict (digest) do nothing

-- name: get_documents
select digest, body from documents where digest in ({})

-- name: known_documents
select digest from documents where digest in ({})
