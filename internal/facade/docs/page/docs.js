// Shows the documents that the page names. The validator, which is on another site, is off.
'use strict';

window.addEventListener('load', () => {
	const page = document.getElementById('swagger-ui');
	// Swagger's own logo brings an inline style, which the page's policy forbids.
	const name = ({ React }) => ({
		components: { Logo: () => React.createElement('span', { className: 'name' }, 'Enrol') },
	});
	window.ui = SwaggerUIBundle({
		domNode: page,
		urls: page.dataset.documents.split(' ').filter(Boolean).map((name) => ({ name, url: `openapi/${name}.yaml` })),
		validatorUrl: null,
		deepLinking: true,
		presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
		plugins: [name],
		layout: 'StandaloneLayout',
	});
});
