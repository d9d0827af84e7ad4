DROP TABLE
	tollgate_server.documents, tollgate_server.access_requests, tollgate_server.webhooks,
	tollgate_server.deliveries, tollgate_server.leak_reports, tollgate_server.migrations;
