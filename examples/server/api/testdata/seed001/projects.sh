curl -H "Authorization: Bearer mt_live_abc123..." \
  https://api.medtwin.ai/v1/projects
