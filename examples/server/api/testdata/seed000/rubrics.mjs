const response = await fetch('https://api.medtwin.ai/v1/rubrics', {
  headers: {
    'Authorization': `Bearer ${process.env.MEDTWIN_API_KEY}`
  }
});
