// Shows the document of this service. `validatorUrl: null`: Swagger UI would otherwise send its address to another host.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#viewer",
  validatorUrl: null,
  queryConfigEnabled: false, // no address may name another document
  persistAuthorization: false, // the key is forgotten with the page
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
});
