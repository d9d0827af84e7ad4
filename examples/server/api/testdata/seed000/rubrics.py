import os
import requests

response = requests.get(
    "https://api.medtwin.ai/v1/rubrics",
    headers={
        "Authorization": f"Bearer {os.environ['MEDTWIN_API_KEY']}"
    }
)
