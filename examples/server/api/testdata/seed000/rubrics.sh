curl https://api.medtwin.ai/v1/rubrics \
  -H "Authorization: Bearer $MEDTWIN_API_KEY"
