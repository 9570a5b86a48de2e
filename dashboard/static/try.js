// Try it: shows the image that was dropped, pasted or chosen. Without this file the file is chosen and sent all the same.
(function () {
  'use strict';

  function size(count) {
    return count < 1000 ? count + ' B' : count < 1e6 ? (count / 1e3).toFixed(1) + ' kB' : (count / 1e6).toFixed(1) + ' MB';
  }

  function preview(form) {
    var file = form.querySelector('[data-try-file]').files[0];
    if (!file) { return; }
    var words = form.querySelector('[data-try-words]'), box = form.querySelector('[data-try-preview]');
    var image = form.querySelector('[data-try-image]'), name = document.createElement('strong');
    name.textContent = file.name;
    words.replaceChildren(name, ', ' + size(file.size));
    form.querySelector('[data-try-hint]').textContent = 'Drop, paste or choose another';
    box.hidden = true;
    form.querySelector('[data-try-icon]').hidden = false;
    if (image.src) { URL.revokeObjectURL(image.src); }
    image.removeAttribute('src');
    if (!file.type.startsWith('image/')) { return; }
    image.onload = function () {
      box.hidden = false;
      form.querySelector('[data-try-icon]').hidden = true;
      words.replaceChildren(name, ', ' + image.naturalWidth + ' × ' + image.naturalHeight + ', ' + size(file.size));
    };
    image.alt = 'Your input: ' + file.name;
    image.src = URL.createObjectURL(file);
  }

  document.addEventListener('change', function (event) {
    if (event.target.matches('[data-try-file]')) { preview(event.target.form); }
  });

  document.addEventListener('paste', function (event) {
    var input = document.querySelector('[data-try-file]');
    if (input && event.clipboardData && event.clipboardData.files.length) {
      input.files = event.clipboardData.files;
      preview(input.form);
    }
  });

  ['dragover', 'dragleave', 'drop'].forEach(function (kind) {
    document.addEventListener(kind, function (event) {
      var box = event.target.closest && event.target.closest('[data-try-drop]');
      if (!box) { return; }
      event.preventDefault();
      box.classList.toggle('drop--over', kind === 'dragover');
      if (kind === 'drop' && event.dataTransfer.files.length) {
        var input = box.querySelector('[data-try-file]');
        input.files = event.dataTransfer.files;
        preview(input.form);
      }
    });
  });

  // while the answer is on its way the button says so and cannot be pressed twice
  function busy(event, on) {
    var form = event.target.closest && event.target.closest('[data-try]');
    if (!form) { return; }
    form.querySelector('button.btn--primary').disabled = on;
    document.getElementById('result').setAttribute('aria-busy', String(on));
  }
  document.addEventListener('htmx:beforeRequest', function (event) { busy(event, true); });
  document.addEventListener('htmx:afterRequest', function (event) { busy(event, false); });
})();
