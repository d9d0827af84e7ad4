curl -X POST https://api.medtwin.ai/v1/api-keys \
  -H "Authorization: Session YOUR_SESSION_TOKEN" \
  -H "Content-Type: application/json" \
  -d '{
    "name": "Production Server",
    "permissions": ["read", "write"]
  }'
