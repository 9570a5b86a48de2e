// Deploy: collects what is dropped or chosen, reads the small text files to guess the settings, and uploads with per cent.
// Nothing leaves the browser before Deploy is pressed. Without this file the plain form does the same, without guesses.
(function () {
  'use strict';

  var form = document.querySelector('[data-deploy]');
  if (!form) { return; }
  var WEIGHTS = /\.(pth|pt|pkl|joblib|onnx|safetensors)$/i, IMAGES = /\.(png|jpe?g|gif|webp|bmp)$/i;
  var SAMPLE = 700 * 1024;   // bytes of a sample; more does not fit the API's bound once it is base64
  var files = new Map(), sample = null, chosen = {}, request = null;

  function one(name, scope) { return (scope || document).querySelector('[data-' + name + ']'); }
  function all(name) { return document.querySelectorAll('[data-' + name + ']'); }
  function field(name) { return form.elements[name]; }

  function size(count) {
    if (count < 1000) { return count + ' B'; }
    if (count < 1e6) { return (count / 1e3).toFixed(1) + ' kB'; }
    return count < 1e9 ? (count / 1e6).toFixed(1) + ' MB' : (count / 1e9).toFixed(2) + ' GB';
  }

  function element(tag, className, text) {
    var made = document.createElement(tag);
    if (className) { made.className = className; }
    if (text !== undefined) { made.textContent = text; }
    return made;
  }

  function icon(name) {
    return one('icons').content.querySelector('[data-icon="' + name + '"]').firstElementChild.cloneNode(true);
  }

  function icon_of(path) {
    return path.endsWith('.py') ? 'code' : WEIGHTS.test(path) ? 'weights' : IMAGES.test(path) ? 'image' : 'list';
  }

  // ---- collecting

  function rubbish(path) { return /(^|\/)(__pycache__|\.git|\.venv|venv|\.DS_Store|Thumbs\.db|node_modules)(\/|$)/.test(path); }

  function add(found) {
    found.forEach(function (each) {
      if (rubbish(each.path)) { return; }
      files.set(each.path, each.file);
      if (each.folder && !chosen.name && !field('name').readOnly) { chosen.folder = each.folder; }
    });
    reveal();
    render();
    guess();
  }

  function chosen_files(list) {
    return Array.from(list).map(function (file) { return { path: file.webkitRelativePath || file.name, file: file }; });
  }

  function walk(entry, prefix) {
    if (entry.isFile) {
      return new Promise(function (done, failed) { entry.file(done, failed); }).then(function (file) {
        return [{ path: prefix + file.name, file: file }];
      });
    }
    var reader = entry.createReader(), found = [];
    return new Promise(function (done, failed) {
      (function more() {   // a folder is handed out in parts
        reader.readEntries(function (part) {
          if (!part.length) { done(found); return; }
          found = found.concat(part);
          more();
        }, failed);
      })();
    }).then(function (entries) {
      return Promise.all(entries.map(function (each) { return walk(each, prefix + entry.name + '/'); }));
    }).then(function (parts) { return parts.flat(); });
  }

  function dropped(transfer) {
    var entries = Array.from(transfer.items || []).map(function (item) {
      return item.webkitGetAsEntry ? item.webkitGetAsEntry() : null;
    });
    if (!entries.length || entries.some(function (entry) { return !entry; })) {
      return Promise.resolve(chosen_files(transfer.files));
    }
    return Promise.all(entries.map(function (entry) {
      return entry.isFile ? walk(entry, '') : walk(entry, '').then(function (inside) {
        return inside.map(function (each) {   // the folder itself is not part of the bundle
          return { path: each.path.slice(entry.name.length + 1), file: each.file, folder: entry.name };
        });
      });
    })).then(function (parts) { return parts.flat(); });
  }

  ['dragover', 'dragleave', 'drop'].forEach(function (kind) {
    document.addEventListener(kind, function (event) {
      var box = event.target.closest && event.target.closest('[data-drop]');
      event.preventDefault();   // a file dropped beside the box must not replace the page
      if (!box) { return; }
      box.classList.toggle('drop--over', kind === 'dragover');
      if (kind === 'drop') { dropped(event.dataTransfer).then(add); }
    });
  });

  document.addEventListener('change', function (event) {
    if (!event.target.matches('[data-drop] input[type=file]') || !event.target.files.length) { return; }
    add(chosen_files(event.target.files));
    event.target.value = '';
  });

  // ---- showing

  function reveal() {
    var hero = one('hero');
    if (!hero) { return; }
    hero.hidden = true;
    one('deploy-page').hidden = false;
  }

  function row(path, file, removable) {
    var item = element('li', 'files__item'), name = element('span');
    item.append(icon(icon_of(path)));
    name.append(element('code', '', path));
    if (WEIGHTS.test(path)) { name.append(' ', element('span', 'tag', 'weights')); }
    if (path === sample) { name.append(' ', element('span', 'tag', 'sample')); }
    item.append(name, element('span', 'soft small num', size(file.size)));
    if (removable) {
      var button = element('button', 'btn btn--quiet btn--icon');
      button.type = 'button';
      button.setAttribute('aria-label', 'Remove ' + path);
      button.append(icon('x'));
      button.addEventListener('click', function () { files.delete(path); render(); guess(); });
      item.append(button);
    }
    return item;
  }

  function order(path) { return /^(predict|main)\.py$/.test(path) ? 0 : path === 'requirements.txt' ? 1 : WEIGHTS.test(path) ? 2 : 3; }

  function sorted() {
    return Array.from(files).sort(function (a, b) { return order(a[0]) - order(b[0]) || (a[0] < b[0] ? -1 : 1); });
  }

  function render() {
    var total = 0;
    files.forEach(function (file) { total += file.size; });
    one('files').replaceChildren.apply(one('files'), sorted().slice(0, 100).map(function (pair) { return row(pair[0], pair[1], true); }));
    one('files-note').textContent = files.size ? files.size + (files.size === 1 ? ' file, ' : ' files, ') + size(total) : '';
    one('drop-words', form).textContent = files.size ? 'Drop more files, or choose' : 'Drop files or a folder, or choose';
    if (files.size) { one('deploy-note').textContent = 'We read your files and guessed the rest. Change what is wrong.'; }
  }

  function hint(name, words, code) {
    var place = document.querySelector('[data-guess="' + name + '"]');
    place.replaceChildren(element('span', 'tag tag--accent', 'guessed'), ' ' + words);
    if (code) { place.append(' ', element('code', '', code)); }
  }

  function choose(name, value, words, code) {
    if (chosen[name]) { return; }   // what a person chose stays
    Array.from(field(name)).forEach(function (radio) { radio.checked = radio.value === value; });
    hint(name, words, code);
  }

  // ---- guessing, from what the files themselves say

  function text(path) {
    var file = files.get(path);
    return file && file.size < 512 * 1024 ? file.text() : Promise.resolve('');
  }

  function guess() {
    var entry = files.has('predict.py') ? 'predict.py' : files.has('main.py') ? 'main.py' : '';
    Promise.all([text(entry), text('requirements.txt'), text('panini.toml')]).then(function (found) {
      guess_name();
      guess_framework(found[1], found[2]);
      guess_input(entry, found[0], found[2]);
      guess_sample();
      show_source(entry, found[0]);
      render();
      terminal();
    });
  }

  function guess_name() {
    var name = field('name'), weights = sorted().map(function (pair) { return pair[0]; }).find(function (path) { return WEIGHTS.test(path); });
    var from = chosen.folder || (weights || '').replace(/^.*\//, '').replace(/\.[^.]*$/, '');
    var clean = from.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 40).replace(/-+$/, '');
    if (chosen.name || name.readOnly || !clean || /^(model|weights|best|last|export|checkpoint)$/.test(clean)) { return; }
    name.value = clean;
    hint('name', chosen.folder ? 'from the folder.' : 'from the weights file.');
    named();
  }

  function toml(content, key) {
    var found = content.match(new RegExp('^\\s*' + key + '\\s*=\\s*["\']?([\\w.-]+)', 'm'));
    return found && found[1];
  }

  function guess_framework(requirements, options) {
    var said = toml(options, 'framework'), lines = requirements.split('\n');
    if (said) { choose('framework', said, 'from panini.toml'); return; }
    var at = lines.findIndex(function (line) { return /^\s*fastai\b/i.test(line); });
    var framework = 'fastai';
    if (at < 0) { at = lines.findIndex(function (line) { return /^\s*torch\b/i.test(line); }); framework = 'pytorch'; }
    if (at >= 0) { choose('framework', framework, 'from requirements.txt line ' + (at + 1) + ':', lines[at].trim()); }
    else if (requirements) { choose('framework', 'python', 'requirements.txt names neither torch nor fastai'); }
  }

  var SIGNS = [['bytes', /BytesIO\(|Image\.open\(|imdecode\(|decode_image|base64|struct\.unpack|frombuffer\(|\bb["']\\x/], ['floats', /np\.(stack|vstack|array|asarray)\(|float32|torch\.(tensor|from_numpy|stack)\(|\.predict\(/]];

  function guess_input(entry, source, options) {
    var said = toml(options, 'input'), lines = source.split('\n');
    if (said) { choose('input', said, 'from panini.toml'); return; }
    for (var i = 0; i < SIGNS.length; i += 1) {
      var at = lines.findIndex(function (line) { return SIGNS[i][1].test(line) && !/^\s*(#|import|from)/.test(line); });
      if (at >= 0) { choose('input', SIGNS[i][0], 'from ' + entry + ' line ' + (at + 1) + ':', lines[at].trim().slice(0, 48)); return; }
    }
  }

  function input_type() { return field('input').value; }

  function guess_sample() {
    var before = sample;
    sample = null;
    files.forEach(function (file, path) {
      var fits = input_type() === 'bytes' ? IMAGES.test(path) || /^sample\./.test(path) : /^sample\.json$/.test(path);
      if (fits && !sample && file.size <= SAMPLE) { sample = path; }
    });
    if (sample) { hint('sample', sample + ' is used, unless you write another here.'); }
    else if (before) { document.querySelector('[data-guess="sample"]').textContent = 'The check runs predict() on it before the version goes live.'; }
  }

  function show_source(entry, source) {
    var list = one('found-list'), place = one('source'), lines = source.split('\n');
    one('found').hidden = !source;
    if (!source) { return; }
    function at(name) { return lines.findIndex(function (line) { return new RegExp('^\\s*(async\\s+)?def\\s+' + name + '\\s*\\(').test(line); }); }
    function say(ok, words, note) {
      var item = element('li'), status = element('span', 'status status--plain ' + (ok ? 'status--succeeded' : 'status--failed'));
      status.append(icon(ok ? 'succeeded' : 'failed'), words);
      item.append(status, ' ', element('span', 'soft', note));
      list.append(item);
    }
    var load = at('load'), predict = at('predict');
    var weights = Array.from(files.keys()).filter(function (path) { return WEIGHTS.test(path); }).length;
    list.replaceChildren();
    if (load >= 0) { say(true, 'load(path)', 'line ' + (load + 1)); }
    say(predict >= 0, load >= 0 ? 'predict(model, inputs)' : 'predict(inputs)', predict >= 0 ? 'line ' + (predict + 1) : 'not found in ' + entry);
    if (weights) { say(weights === 1 || files.has('panini.toml'), weights === 1 ? 'one weights file' : weights + ' weights files', weights === 1 ? '' : 'panini.toml says which'); }
    if (!files.has('requirements.txt')) { say(true, 'no requirements.txt', 'nothing is installed'); }
    if (sample) { say(true, 'a sample input', 'used by the check'); }
    var from = Math.max(0, Math.min.apply(null, [load, predict].filter(function (line) { return line >= 0; }).concat([lines.length])) - 0);
    place.setAttribute('aria-label', entry);
    place.replaceChildren.apply(place, lines.slice(from, from + 12).map(function (line, offset) {
      var number = from + offset, shown = element('span', 'source__line', line);
      if (number === load || number === predict) { shown.classList.add('source__line--mark'); }
      shown.dataset.n = number + 1;
      return shown;
    }));
  }

  function named() {
    one('name', form).textContent = field('name').value || '…';
    terminal();
  }

  function terminal() {
    var words = ['panini deploy .', '--name ' + (field('name').value || 'NAME'), '--framework ' + field('framework').value, '--input ' + input_type()];
    if (sample) { words.push('--sample ' + sample); }
    one('terminal').textContent = words.join(' ');
  }

  form.addEventListener('input', function (event) {
    var name = event.target.name, said = document.querySelector('[data-guess="' + name + '"]');
    chosen[name] = true;
    if (said && name !== 'sample') { said.replaceChildren(); }   // no longer a guess
    if (event.target.name === 'input') { guess_sample(); render(); }
    named();
  });

  // ---- sending

  function base64(file) {
    return new Promise(function (done, failed) {
      var reader = new FileReader();
      reader.onload = function () { done(JSON.stringify(reader.result.slice(reader.result.indexOf(',') + 1))); };
      reader.onerror = function () { failed(reader.error); };
      reader.readAsDataURL(file);
    });
  }

  function sample_text() {
    if (field('sample').value.trim() || !sample) { return Promise.resolve(field('sample').value.trim()); }
    var file = files.get(sample);
    return input_type() === 'bytes' && !/\.json$/.test(sample) ? base64(file) : file.text();
  }

  function body(sampled) {
    var data = new FormData();
    ['framework', 'input', 'batch', 'timeout', 'memory_mb'].forEach(function (name) {
      if (field(name).value) { data.append(name, field(name).value); }
    });
    if (sampled) { data.append('sample', sampled); }
    sorted().forEach(function (pair) { if (!(pair[0] === sample && IMAGES.test(sample))) { data.append('file', pair[1], pair[0]); } });
    return data;
  }

  function refuse(html) {
    one('uploading').hidden = true;
    one('deploying').hidden = false;
    one('deploy-refused').innerHTML = '<div class="flash">' + html + '</div>';   // our own server's partial, escaped there
    one('deploy-refused').scrollIntoView({ block: 'center' });
  }

  function say(words) {
    var place = element('div', 'notice notice--bad');
    var line = element('p', 'notice__text');
    place.setAttribute('role', 'alert');
    line.append(element('strong', '', words));
    place.append(icon('failed'), line);
    refuse('');
    one('deploy-refused').firstElementChild.append(place);
  }

  function progress(started) {
    return function (event) {
      if (!event.lengthComputable) { return; }
      var part = event.loaded / event.total, seconds = (Date.now() - started) / 1000, rate = event.loaded / Math.max(seconds, 0.001);
      one('up-meter').value = part * 100;
      one('up-percent').textContent = Math.floor(part * 100) + ' %';
      one('up-bytes').textContent = size(event.loaded) + ' of ' + size(event.total) + ' · ' + size(rate) + '/s';
      one('up-left').textContent = part < 1 ? Math.max(1, Math.round((event.total - event.loaded) / rate)) + ' s left' : 'checking the files';
    };
  }

  function ended() {
    var location_ = request.getResponseHeader('Location');
    if (request.status === 201 && location_) { location.assign(location_); return; }
    if (request.getResponseHeader('HX-Redirect') || request.status === 401) { location.assign('/login'); return; }
    refuse(request.responseText);
  }

  function send(data) {
    var name = field('name').value;
    all('up-name').forEach(function (place) { place.textContent = name; });
    one('up-files').replaceChildren.apply(one('up-files'), sorted().slice(0, 20).map(function (pair) { return row(pair[0], pair[1], false); }));
    one('deploying').hidden = true;
    one('uploading').hidden = false;
    window.scrollTo(0, 0);
    request = new XMLHttpRequest();
    request.open('POST', '/models/' + encodeURIComponent(name) + '/upload');
    request.setRequestHeader('HX-Request', 'true');
    request.upload.onprogress = progress(Date.now());
    request.onload = ended;
    request.onerror = function () { say('The upload broke off: the server could not be reached. Nothing was deployed; try again.'); };
    request.onabort = function () { say('The upload was canceled. Nothing was deployed.'); };
    request.send(data);
  }

  form.addEventListener('submit', function (event) {
    event.preventDefault();
    if (!files.size) { say('Choose predict.py, requirements.txt and the weights first.'); return; }
    sample_text().then(body).then(send, function () { say('A file could not be read; it may have changed. Choose it again.'); });
  });

  one('up-cancel').addEventListener('click', function () { if (request) { request.abort(); } });
  document.querySelectorAll('[data-drop] input[type=file]').forEach(function (input) { if (input.files.length) { add(chosen_files(input.files)); } });
  named();
})();
